;; Threads cannot be had without an export to start them at: thread-spawn says -ENOTSUP, and nothing
;; else happens.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "env" "memory" (memory 1 1 shared))
  (func (export "wasi_thread_start") (param i32) unreachable)
  (func (export "_start")
    (call $exit (i32.ne (call $spawn (i32.const 0)) (i32.const -58)))))
