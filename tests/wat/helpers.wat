;; What the helper functions work on: two tables, a memory, segments of each mode.
(module
  (func $f0 (export "f0") (result i32) (i32.const 0))
  (func $f1 (export "f1") (result i32) (i32.const 1))
  (table $t (export "t") 10 20 funcref)
  (table $u (export "u") 5 funcref)
  (memory (export "memory") 1 3)
  (elem $passive func $f0 $f1 $f0 $f1)
  (elem $active (table $t) (i32.const 2) func $f1 $f0)
  (elem $declared declare func $f0)
  (data $bytes "abcdefgh")
  (data $placed (i32.const 100) "xyz")
)
