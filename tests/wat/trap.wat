;; Traps of several kinds, at known depths.
(module
  (import "host" "stop" (func $stop (param i32)))
  (memory 1)
  (func $divide (param $x i32) (param $y i32) (result i32)
    (i32.div_u (local.get $x) (local.get $y)))
  (func $middle (param $x i32) (result i32)
    (i32.add (call $divide (i32.const 7) (local.get $x)) (i32.const 1)))
  (func $outer (export "outer") (param $x i32) (result i32)
    (i32.add (call $middle (local.get $x)) (i32.const 1)))
  (func $deep (export "deep") (param $depth i32) (result i32)
    (if (result i32) (local.get $depth)
      (then (i32.add (call $deep (i32.sub (local.get $depth) (i32.const 1))) (i32.const 1)))
      (else (unreachable))))
  (func $forever (export "forever") (result i32)
    (i32.add (call $forever) (i32.const 1)))
  (func $load (export "load") (param $at i32) (result i32)
    (i32.load (local.get $at)))
  (func $host (export "host") (param $why i32)
    (call $stop (local.get $why)))
  (func $step (param $x i32) (result i32)
    (i32.add (local.get $x) (i32.const 1)))
  (func $spin (export "spin") (result i32) (local $x i32)
    (loop $again
      (local.set $x (call $step (local.get $x)))
      (br $again))
    (unreachable))

  ;; Loops that spend their time in what generated code calls; they end at last.
  (memory $shared 1 1 shared)
  (table $table 1 2 funcref)
  (tag $tag)
  (data $bytes "x")
  (elem $funcs func $step)
  (func (export "loop_memory_grow") (local $i i32)
    (loop $again
      (drop (memory.grow (i32.const 60000)))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_memory_init") (local $i i32)
    (loop $again
      (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_data_drop") (local $i i32)
    (loop $again
      (data.drop 0)
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_table_grow") (local $i i32)
    (loop $again
      (drop (table.grow 0 (ref.null func) (i32.const 0)))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_table_fill") (local $i i32)
    (loop $again
      (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_table_copy") (local $i i32)
    (loop $again
      (table.copy (i32.const 0) (i32.const 0) (i32.const 1))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_table_init") (local $i i32)
    (loop $again
      (table.init 0 (i32.const 0) (i32.const 0) (i32.const 0))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_elem_drop") (local $i i32)
    (loop $again
      (elem.drop 0)
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_wait") (local $i i32)
    (loop $again
      (drop (memory.atomic.wait32 1 (i32.const 0) (i32.const 1) (i64.const 0)))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
  (func (export "loop_throw") (local $i i32)
    (loop $again
      (try (do (throw $tag)) (catch $tag))
      (br_if $again
        (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))
)
