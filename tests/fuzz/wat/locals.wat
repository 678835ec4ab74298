;; Runs of locals, numbers of many bytes, deep nesting, a wide br_table.
(module
  (func (export "locals") (result i64)
    (local i32 i32 i32 i64 f32 f32 f64 f64 f64 funcref externref i64)
    (local.set 11 (i64.const 1311768467463790320))
    (local.tee 3 (i64.or (local.get 11) (i64.const -1))))
  (func (export "nest") (param i32)
    (block (block (block (block (block (block (block (block (loop (block (block
      (br_table 0 1 2 3 4 5 6 7 8 9 10 0 1 2 3 (local.get 0))))))))))))))
  (func (export "wide") (param i32 i64 f32 f64 i32 i64 f32 f64 i32 i32 i32 i32 i32 i32 i32 i32)
    (result i32)
    (i32.add (local.get 15) (i32.add (local.get 8) (i32.reinterpret_f32 (local.get 6))))))
