;; Exceptions in the older form, within a function, between functions and between instances.
;; See engine/baseline/exceptions_test.c.
(module
  (type $step (func (param i32) (result i32)))
  (type $many (func (param i32 i64 i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i32 i64 i32)))
  (import "o" "tag" (tag $shared (param i32)))
  (import "o" "next" (func $next (type $step)))
  (import "o" "table" (table 8 funcref))
  (tag $own (export "own") (param i32))
  (tag $other (param i32))
  (tag $wide (param i32 i64 f32 f64 v128 i32))
  (memory 1)
  (global $seen (mut i32) (i32.const 0))

  (func (export "poke") (type $step) (i32.store (i32.const 0) (local.get 0)) (i32.const 0))

  ;; Between instances.
  (func $throw (export "throw") (type $step) (throw $shared (local.get 0)))
  (func $throw_own (export "throw_own") (type $step) (throw $own (local.get 0)))
  (func $pass (export "pass") (type $step)
    (i32.add (i32.load (i32.const 0)) (call $next (local.get 0))))
  (func (export "pass_tail") (type $step) (return_call $next (local.get 0)))
  (func $catch (export "catch") (type $step)
    (try (result i32)
      (do (call $next (local.get 0)))
      (catch $shared
        (i32.mul (i32.const 1000))
        (i32.add (i32.load (i32.const 0))))))
  (func (export "catch_own") (type $step)
    (try (result i32)
      (do (call $next (local.get 0)))
      (catch $own (i32.add (i32.const 1000000)))
      (catch_all (i32.const -1))))
  (func $indirect (export "indirect") (param $x i32) (param $at i32) (result i32)
    (try (result i32)
      (do (call_indirect (type $step) (local.get $x) (local.get $at)))
      (catch $shared
        (i32.mul (i32.const 1000))
        (i32.add (i32.load (i32.const 0))))))

  ;; The callee pops its stack parameters, or does not come to it.
  (func $many (type $many)
    (if (i32.and (local.get 0) (i32.const 1))
      (then (throw $own (i32.wrap_i64 (local.get 9)))))
    (local.get 0) (local.get 8) (i32.const 5))
  (func (export "many") (type $step)
    (local $i i32) (local $sum i32)
    (loop $again
      (try
        (do
          (local.get $i)
          (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
          (i64.const 7) (i64.const 8) (i64.const 9) (f64.const 10)
          (call $many)
          (local.set $sum (i32.add (local.get $sum)))
          (drop) (drop))
        (catch $own (local.set $sum (i32.add (local.get $sum)))))
      (br_if $again
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (local.get $sum))

  ;; Locals are as they were at the throw.
  (func (export "locals") (type $step)
    (local $a i32) (local $b i64) (local $c f64) (local $d v128)
    (local.set $a (i32.const 1))
    (local.set $b (i64.const 10))
    (local.set $c (f64.const 100))
    (local.set $d (i32x4.splat (i32.const 1000)))
    (try
      (do
        (local.set $a (i32.add (local.get $a) (local.get 0)))
        (local.set $b (i64.add (local.get $b) (i64.extend_i32_u (local.get 0))))
        (drop (call $throw_if (local.get 0)))
        (local.set $c (f64.const 200))
        (local.set $d (i32x4.splat (i32.const 2000)))
        (throw $other (i32.const 0)))
      (catch_all (local.set 0 (i32.const 5))))
    (i32.add
      (i32.add (i32.add (local.get $a) (local.get 0)) (i32.wrap_i64 (local.get $b)))
      (i32.add (i32.trunc_f64_s (local.get $c)) (i32x4.extract_lane 3 (local.get $d)))))
  (func $throw_if (type $step)
    (if (local.get 0) (then (throw $own (i32.const 0))))
    (i32.const 0))

  ;; All types, in the same function and from another.
  (func $throw_wide
    (throw $wide (i32.const -1) (i64.const 0x123456789abcdef) (f32.const 1.5) (f64.const -2.25)
      (v128.const i32x4 1 2 3 4) (i32.const 77)))
  (func (export "wide") (type $step)
    (local $last i32) (local $vector v128) (local $double f64)
    (i32.const 9) ;; stays below
    (try (result i32 i64 f32 f64 v128 i32)
      (do
        (if (local.get 0) (then (call $throw_wide)))
        (throw $wide (i32.const -1) (i64.const 0x123456789abcdef) (f32.const 1.5)
          (f64.const -2.25) (v128.const i32x4 1 2 3 4) (i32.const 77)))
      (catch $wide))
    (local.set $last) (local.set $vector) (local.set $double)
    (i32.trunc_f32_s (f32.mul (f32.const 2)))
    (drop) (drop) (drop)
    (i32.add (local.get $last))
    (i32.add (i32x4.extract_lane 2 (local.get $vector)))
    (i32.add (i32.trunc_f64_s (f64.mul (local.get $double) (f64.const 4)))))

  ;; Which catch it is: the first that matches, from the innermost try outwards.
  (func (export "which") (type $step)
    (try (result i32)
      (do
        (try (result i32)
          (do
            (block $by (result i32)
              (try
                (do
                  (if (i32.eq (local.get 0) (i32.const 0)) (then (throw $own (i32.const 1))))
                  (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $other (i32.const 2))))
                  (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $shared (i32.const 3))))
                  (br $by (i32.const 40)))
                (catch $own (br $by (i32.add (i32.const 100)))))
              (i32.const -3)))
          (catch $other (i32.add (i32.const 200)))
          (catch $own (drop) (i32.const -1))))
      (catch_all (i32.const 300))))

  ;; Out of a try by br, return and a tail call: then it catches no more.
  (func (export "leave") (type $step)
    (block $out
      (try
        (do
          (block $1 (block $2 (br_table $1 $2 $out (local.get 0)))
            (return (i32.const 2)))
          (return_call $throw (i32.const 7)))
        (catch_all (return (i32.const -1)))))
    (i32.const 3))
  (func (export "catch_leave") (type $step)
    (try (result i32)
      (do (call $leave (local.get 0)))
      (catch $shared (i32.add (i32.const 50)))))
  (func $leave (type $step)
    (try (result i32)
      (do (return_call $throw (local.get 0)))
      (catch_all (i32.const -1))))

  ;; The catch is outside of its own try: what it throws goes outwards, rethrow to any depth.
  (func (export "rethrow") (type $step)
    (local $caught i32)
    (try (result i32)
      (do
        (try $outer (result i32)
          (do (throw $own (i32.const 1)))
          (catch $own
            (local.set $caught)
            (try $inner (result i32)
              (do (throw $other (i32.add (local.get $caught) (i32.const 1))))
              (catch $other
                (local.set $caught)
                (if (i32.eq (local.get 0) (i32.const 1)) (then (rethrow $inner)))
                (if (i32.eq (local.get 0) (i32.const 2)) (then (rethrow $outer)))
                (return (i32.add (local.get $caught) (i32.const 10))))))))
      (catch $own (i32.add (i32.const 20)))
      (catch $other (i32.add (i32.const 30)))))

  ;; The catches around the one that is left out, or none of this function.
  (func $delegate (export "delegate") (type $step)
    (try $outer (result i32)
      (do
        (try $middle (result i32)
          (do
            (try (result i32)
              (do
                (if (i32.eq (local.get 0) (i32.const 1)) (then
                  (try (do (throw $own (i32.const 5))) (delegate 4)))) ;; the function's
                (if (i32.eq (local.get 0) (i32.const 2)) (then
                  (try (do (throw $own (i32.const 5))) (delegate $middle))))
                (if (i32.eq (local.get 0) (i32.const 3)) (then
                  (try (do (throw $own (i32.const 5))) (delegate 0)))) ;; the if's: what is around it
                (throw $own (i32.const 6)))
              (delegate $outer)))
          (catch_all (i32.const 200))))
      (catch $own (i32.add (i32.const 100)))))
  (func (export "catch_delegate") (type $step)
    (try (result i32)
      (do (call $delegate (local.get 0)))
      (catch $own (i32.add (i32.const 1000)))))

  ;; Frames to go through: n of them.
  (func $deep (type $step)
    (if (i32.eqz (local.get 0)) (then (throw $own (i32.const 12))))
    (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
  (func (export "deep") (type $step)
    (try (result i32)
      (do (call $deep (local.get 0)))
      (catch $own (i32.add (local.get 0)))))

  ;; A throw and a rethrow each time around.
  (func (export "churn") (type $step)
    (local $i i32)
    (loop $again
      (try
        (do
          (try
            (do (drop (call $throw_own (i32.const 1))))
            (catch $own (drop) (rethrow 0))))
        (catch_all (global.set $seen (i32.add (global.get $seen) (i32.const 1)))))
      (br_if $again
        (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (global.get $seen))

  ;; A trap is not caught.
  (func (export "trap") (type $step)
    (try (result i32)
      (do (i32.div_u (i32.const 1) (local.get 0)))
      (catch_all (i32.const -1))))

  ;; Nothing in it throws.
  (func (export "quiet") (type $step)
    (try (result i32)
      (do (i32.add (local.get 0) (i32.const 1)))
      (catch $own (rethrow 0))
      (catch_all (i32.const -1)))))
