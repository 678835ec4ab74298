;; Exceptions: what is emitted for a throw, and the tables beside the code.
(module
  (tag $e (param i32 f64))
  (tag $none)
  (func $callee)
  (func $throws (param $x i32) (throw $e (local.get $x) (f64.const 1)))
  (func $catches (param $x i32) (result i32)
    (try (result i32)
      (do (call $callee) (local.get $x))
      (catch $e (drop))
      (catch_all (i32.const 7))))
  (func $rethrows (param $x i32)
    (try
      (do (call $callee))
      (catch $none (local.set $x (i32.const 1)) (rethrow 0)))
    (call $callee))
  (func $delegates
    (try $outer
      (do
        (try
          (do
            (try (do (call $callee)) (delegate $outer))
            (call $callee))
          (catch_all)))
      (catch $none)))
  (func $quiet (result i32)
    (try (result i32) (do (i32.const 1)) (catch_all (i32.const 2)))))
