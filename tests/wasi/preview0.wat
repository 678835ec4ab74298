;; A program of WASI preview 0. It makes the calls that preview 1 has otherwise, on "file" below
;; descriptor 3, and writes what came back to standard output as it is: 64 bytes of error numbers,
;; and 960 of results. tests/wasi/preview0_test.py knows where what is.
(module
  (import "wasi_unstable" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_tell" (func $fd_tell (param i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_filestat_get"
    (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "sched_yield" (func $sched_yield (result i32)))
  (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "file")

  ;; A clock, relative: identifier 7, monotonic, 1000 ns.
  (data (i32.const 4096) "\e9\03\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00"
    "\07\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00" "\e8\03\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00")
  ;; The same clock, at 1 ns since it began.
  (data (i32.const 4152) "\ea\03\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00"
    "\07\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00")
  ;; Reading from a descriptor, which is put in below.
  (data (i32.const 4208) "\eb\03\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00")

  (global $next (mut i32) (i32.const 2048))
  (func $note (param $error i32)
    (i32.store (global.get $next) (local.get $error))
    (global.set $next (i32.add (global.get $next) (i32.const 4))))

  (func (export "_start") (local $fd i32)
    (memory.fill (i32.const 2048) (i32.const 255) (i32.const 1024))
    (call $note (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4)
      (i32.const 0) (i64.const 0x8200026) (i64.const 0) (i32.const 0) (i32.const 2112)))
    (local.set $fd (i32.load (i32.const 2112)))
    ;; From the start is 2, from the position 0, and from the end 1.
    (call $note (call $fd_seek (local.get $fd) (i64.const 3) (i32.const 2) (i32.const 2120)))
    (call $note (call $fd_seek (local.get $fd) (i64.const 1) (i32.const 0) (i32.const 2128)))
    (call $note (call $fd_seek (local.get $fd) (i64.const -2) (i32.const 1) (i32.const 2136)))
    (call $note (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 3) (i32.const 2144)))
    (call $note (call $fd_tell (local.get $fd) (i32.const 2152)))
    (call $note (call $fd_filestat_get (local.get $fd) (i32.const 2176)))
    (call $note (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4)
      (i32.const 2240)))
    (call $note (call $fd_filestat_get (i32.const 99) (i32.const 2304)))
    (call $note (call $fd_filestat_get (local.get $fd) (i32.const 65481))) ;; a byte too far
    (i32.store (i32.const 4224) (local.get $fd))
    (call $note (call $poll_oneoff (i32.const 4096) (i32.const 2432) (i32.const 1)
      (i32.const 2400)))
    (call $note (call $poll_oneoff (i32.const 4152) (i32.const 2560) (i32.const 2)
      (i32.const 2404)))
    (call $note (call $poll_oneoff (i32.const 4096) (i32.const 2432) (i32.const 0)
      (i32.const 2408)))
    (call $note (call $poll_oneoff (i32.const 65481) (i32.const 2432) (i32.const 1)
      (i32.const 2408)))
    (call $note (call $sched_yield))
    (i32.store (i32.const 0) (i32.const 2048))
    (i32.store (i32.const 4) (i32.const 1024))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.const 3))))
