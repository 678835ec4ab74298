;; Calls host functions that are called directly, in every way.
(module
  (type $six (func (param i32 i64 i32 i64 i32 i64) (result i32)))
  (import "host" "six" (func $six (type $six)))
  (import "host" "none" (func $none (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) func $six)
  (export "imported" (func $six))
  ;; The result widened, so that nothing above it goes unseen.
  (func (export "call") (param i32 i64 i32 i64 i32 i64) (result i64)
    local.get 0
    local.get 1
    local.get 2
    local.get 3
    local.get 4
    local.get 5
    call $six
    i64.extend_i32_u)
  (func (export "call_indirect") (param i32 i64 i32 i64 i32 i64) (result i64)
    local.get 0
    local.get 1
    local.get 2
    local.get 3
    local.get 4
    local.get 5
    i32.const 0
    call_indirect (type $six)
    i64.extend_i32_u)
  (func (export "none") (result i32)
    call $none))
