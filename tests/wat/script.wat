;; For the script runner's own tests.
(module
  (global (export "g") i32 (i32.const 9))
  (func (export "seven") (result i32) (i32.const 7))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "f32_bits") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
  (func (export "f64_bits") (param i64) (result f64) (f64.reinterpret_i64 (local.get 0)))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func (export "trap") (unreachable))
  (func $forever (export "forever") (call $forever))
)
