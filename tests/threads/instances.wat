;; What each thread has for itself, and what it shares: exits with 0, or says by its status what is
;; wrong. Globals and tables are of the thread's own instance, whose start function runs and whose
;; active segments are written again; the memory is one. That holds for every thread, however many
;; there were before.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "anything" "at all" (memory 1 4 shared))
  (global $mine (mut i32) (i32.const 10))
  (table $table 1 2 funcref)
  (data (i32.const 64) "again")
  (func $start
    ;; 0: how many instances were started
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (global.set $mine (i32.add (global.get $mine) (i32.const 1))))
  (start $start)

  (func $expect (param $is_right i32) (param $status i32)
    (if (i32.eqz (local.get $is_right)) (then (call $exit (local.get $status)))))

  (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
    (call $expect (i32.eq (global.get $mine) (i32.const 11)) (i32.const 11))
    (call $expect (i32.eq (table.size $table) (i32.const 1)) (i32.const 12))
    (call $expect (i32.eq (table.grow $table (ref.null func) (i32.const 1)) (i32.const 1))
                  (i32.const 13))
    (call $expect (i32.eq (local.get $argument) (i32.const -5)) (i32.const 14))
    (call $expect (i32.eq (i32.load8_u (i32.const 64)) (i32.const 0x61)) (i32.const 15))
    (global.set $mine (i32.const 99))
    (i32.store8 (i32.const 64) (i32.const 0))
    (call $expect (i32.eq (memory.size) (i32.const 2)) (i32.const 16))
    (i32.atomic.store (i32.const 8) (local.get $id))
    (drop (memory.atomic.notify (i32.const 8) (i32.const -1))))

  (func (export "_start")
    (local $id i32)
    (local $round i32)
    (call $expect (i32.eq (memory.grow (i32.const 1)) (i32.const 1)) (i32.const 1))
    (loop $rounds
      (i32.store8 (i32.const 64) (i32.const 0))
      (i32.atomic.store (i32.const 8) (i32.const 0))
      (local.set $id (call $spawn (i32.const -5)))
      (call $expect (i32.gt_s (local.get $id) (i32.const 0)) (i32.const 2))
      (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
      (call $expect (i32.eq (i32.atomic.load (i32.const 8)) (local.get $id)) (i32.const 3))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (call $expect (i32.eq (i32.atomic.load (i32.const 0)) (i32.add (local.get $round) (i32.const 1)))
                    (i32.const 4))
      (br_if $rounds (i32.lt_u (local.get $round) (i32.const 40))))
    (call $expect (i32.eq (global.get $mine) (i32.const 11)) (i32.const 5))
    (call $expect (i32.eq (table.size $table) (i32.const 1)) (i32.const 6))
    (call $expect (i32.eq (memory.size) (i32.const 2)) (i32.const 7))
    (call $expect (i32.eq (memory.grow (i32.const 3)) (i32.const -1)) (i32.const 8))))
