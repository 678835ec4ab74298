;; One trap of each kind, chosen by the first argument's first character; "0" ends normally.
(module
  (type $proc (func))
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $answer)
  (data (i32.const 512) "before the trap\n")
  (global $zero (mut i32) (i32.const 0))
  (global $zero64 (mut i64) (i64.const 0))

  (func $answer (result i32) (i32.const 42))
  (func $unreachable (unreachable))
  (func $divide (drop (i32.div_u (i32.const 1) (global.get $zero))))
  (func $divide64 (drop (i64.rem_s (i64.const 1) (global.get $zero64))))
  (func $overflow
    (drop (i32.div_s (i32.const 0x80000000) (i32.sub (global.get $zero) (i32.const 1)))))
  (func $conversion (drop (i32.trunc_f64_s (f64.const 1e10))))
  (func $conversion_nan (drop (i64.trunc_f32_u (f32.const nan))))
  (func $load (drop (i32.load (i32.const 65533))))
  (func $store_far
    (i64.store offset=0xffffffff (i32.sub (global.get $zero) (i32.const 1)) (i64.const 1)))
  (func $null_entry (call_indirect (type $proc) (i32.const 2)))
  (func $wrong_type (call_indirect (type $proc) (global.get $zero)))
  (func $table_bounds (call_indirect (type $proc) (i32.const 4)))
  (func $recursion (param i64) (result i64)
    (i64.add (i64.const 1) (call $recursion (i64.add (local.get 0) (i64.const 1)))))
  (func $fill (memory.fill (i32.const 65535) (i32.const 1) (i32.const 2)))

  (func $dispatch (param $kind i32)
    (if (i32.eq (local.get $kind) (i32.const 97)) (then (call $unreachable))) ;; a
    (if (i32.eq (local.get $kind) (i32.const 98)) (then (call $divide)))
    (if (i32.eq (local.get $kind) (i32.const 99)) (then (call $divide64)))
    (if (i32.eq (local.get $kind) (i32.const 100)) (then (call $overflow)))
    (if (i32.eq (local.get $kind) (i32.const 101)) (then (call $conversion)))
    (if (i32.eq (local.get $kind) (i32.const 102)) (then (call $conversion_nan)))
    (if (i32.eq (local.get $kind) (i32.const 103)) (then (call $load)))
    (if (i32.eq (local.get $kind) (i32.const 104)) (then (call $store_far)))
    (if (i32.eq (local.get $kind) (i32.const 105)) (then (call $null_entry)))
    (if (i32.eq (local.get $kind) (i32.const 106)) (then (call $wrong_type)))
    (if (i32.eq (local.get $kind) (i32.const 107)) (then (call $table_bounds)))
    (if (i32.eq (local.get $kind) (i32.const 108))
      (then (drop (call $recursion (i64.const 0)))))
    (if (i32.eq (local.get $kind) (i32.const 109)) (then (call $fill))))

  (func (export "_start")
    ;; argv at 16.., its text at 128..
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $args_get (i32.const 16) (i32.const 128)))
    (i32.store (i32.const 8) (i32.const 512))
    (i32.store (i32.const 12) (i32.const 16))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
    (call $dispatch (i32.load8_u (i32.load (i32.const 20))))))
