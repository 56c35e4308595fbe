// The AssemblyScript guest of BenchmarkCompute. Build: asc compute.ts -O3 --outFile compute.wasm
// --use abort=compute/abort

function fib(n: i32): i32 {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

export function compute(): i32 {
  const N = 200000;
  const s = new StaticArray<bool>(N + 1);
  let c = 0;
  for (let i = 2; i <= N; i++) {
    if (!s[i]) {
      c++;
      for (let j = i * 2; j <= N; j += i) s[j] = true;
    }
  }
  let h: u64 = 14695981039346656037;
  for (let i = 0; i < 300000; i++) {
    h ^= (i & 255) as u64;
    h *= 1099511628211;
    if ((h & 7) == 3) h += c as u64;
  }
  return c + fib(22) + ((h & 1) as i32);
}

function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  unreachable();
}
