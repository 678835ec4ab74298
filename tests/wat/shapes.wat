;; Functions whose types pass different amounts on the stack, for calls from another instance.
(module
  (global (export "seen") (mut i64) (i64.const 0))
  (func (export "params") (param i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (global.set 0 (i64.add (i64.mul (local.get 8) (i64.const 100))
                           (i64.add (i64.mul (local.get 6) (i64.const 10)) (local.get 0)))))
  (func (export "results") (result i64 i64 i64 i64)
    i64.const 1  i64.const 2  i64.const 3  i64.const 4)
  (func (export "both") (param i64 i64 i64 i64 i64 i64 i64) (result i64 i64)
    local.get 6  local.get 0)
  (func (export "many_results") (param i64 i64 i64 i64 i64 i64 i64) (result i64 i64 i64 i64 i64 i64)
    local.get 0  local.get 1  local.get 2  local.get 3  local.get 4  local.get 6)
  (func (export "none")
    (global.set 0 (i64.const 7))))
