;; Code that cannot be reached, where operands have no types.
(module
  (func (export "a") (result i32 i64)
    (unreachable) (select) (drop) (i32.add) (i64.const 0))
  (func (export "b") (param i32) (result i32)
    (block (result i32)
      (block (result f32)
        (br_table 0 1 (unreachable) (local.get 0)))
      (drop) (i32.const 0)))
  (func (export "c") (result externref)
    (loop (br 0)) (unreachable) (ref.is_null) (drop))
  (func (export "d") (param i32)
    (if (local.get 0) (then (return) (drop) (nop)) (else (unreachable)))))
