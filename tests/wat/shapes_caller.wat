;; Calls what shapes.wat exports, with operands live around each call.
(module
  (import "shapes" "seen" (global $seen (mut i64)))
  (import "shapes" "params" (func $params (param i64 i64 i64 i64 i64 i64 i64 i64 i64)))
  (import "shapes" "results" (func $results (result i64 i64 i64 i64)))
  (import "shapes" "both" (func $both (param i64 i64 i64 i64 i64 i64 i64) (result i64 i64)))
  (import "shapes" "many_results" (func $many_results
    (param i64 i64 i64 i64 i64 i64 i64) (result i64 i64 i64 i64 i64 i64)))
  (import "shapes" "none" (func $none))
  (type $results (func (result i64 i64 i64 i64)))
  (type $none (func))
  (table 2 funcref)
  (elem (i32.const 0) $results $none)

  ;; Takes the operand below the results, so that a slot too many would show.
  (func $digits4 (param i64 i64 i64 i64 i64) (result i64)
    (i64.add (i64.mul (local.get 0) (i64.const 10000))
    (i64.add (i64.mul (local.get 1) (i64.const 1000))
    (i64.add (i64.mul (local.get 2) (i64.const 100))
    (i64.add (i64.mul (local.get 3) (i64.const 10)) (local.get 4))))))

  (func (export "params") (result i64)
    i64.const 5000
    (call $params (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                  (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9))
    global.get $seen
    i64.add)
  (func (export "results") (result i64)
    i64.const 9
    call $results
    call $digits4)
  (func (export "both") (result i64)
    i64.const 9  i64.const 8
    (call $both (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                (i64.const 6) (i64.const 7))
    i64.const 5
    call $digits4)
  (func (export "many_results") (result i64)
    i64.const 9
    (call $many_results (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                        (i64.const 6) (i64.const 7))
    call $digits4  ;; 2 3 4 5 7
    i64.add        ;; and 1
    i64.add)       ;; and 9
  (func (export "none") (result i64)
    i64.const 5000
    call $none
    global.get $seen
    i64.add)
  (func (export "indirect") (result i64)
    i64.const 9
    (call_indirect (type $results) (i32.const 0))
    call $digits4
    (call_indirect (type $none) (i32.const 1))
    global.get $seen
    i64.add)
  (func (export "wrong_type") (result i64)
    (call_indirect (type $none) (i32.const 0))
    i64.const 0))
