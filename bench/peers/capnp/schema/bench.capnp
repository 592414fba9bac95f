@0xb2a4c1f0e8d79653;

# The service of the benchmarks.

struct Value {
  bool @0 :Bool;
  int64 @1 :Int64;
  string @2 :Text;
  float64 @3 :Float64;
}

interface Numbers {
  # What a stream's Replies are sent to. `-> stream` is Cap'n Proto's flow control.
  next @0 (number :Int64) -> stream;
  done @1 ();
}

interface Bench {
  echo @0 (value :Value) -> (value :Value);
  stream @1 (replies :UInt32, to :Numbers) -> ();
  burn @2 (millis :UInt32) -> ();
}
