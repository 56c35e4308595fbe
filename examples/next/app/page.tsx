import { increment } from "./actions";
import { Counter } from "./counter";

export default function Page() {
  return (
    <main>
      <h1>A counter</h1>
      <Counter />
      <form action={increment}>
        <button>count one more, on the server</button>
      </form>
    </main>
  );
}
