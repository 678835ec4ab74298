;; Functions for other instances: their own memory and globals must be the running ones.
(module
  (memory 1)
  (data (i32.const 0) "\2a\00\00\00")
  (global $calls (mut i32) (i32.const 0))
  (func (export "peek") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.load (i32.const 0)))
  (func (export "calls") (result i32) (global.get $calls))
  ;; Twelve integers and ten floats: six and eight of them in registers. Weighted sums tell apart
  ;; every exchange of two.
  (func (export "many")
    (param i32 i64 i32 i64 i32 i64 i32 i64 i32 i64 i32 i64 f32 f64 f32 f64 f32 f64 f32 f64 f32 f64)
    (result i64 f64 i32 f32 i64)
    (i64.add (i64.extend_i32_u (local.get 0)) (i64.mul (local.get 11) (i64.const 1000)))
    (f64.add (f64.promote_f32 (local.get 12)) (f64.mul (local.get 21) (f64.const 1000)))
    (i32.add (local.get 10) (i32.mul (local.get 8) (i32.const 1000)))
    (f32.add (local.get 20) (f32.mul (f32.demote_f64 (local.get 19)) (f32.const 1000)))
    (i64.add (local.get 9) (i64.mul (local.get 7) (i64.const 1000))))
  (func (export "fail") (unreachable))
)
