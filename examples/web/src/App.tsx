import { useState } from "react";
import { Chat } from "./Chat";
import { Counter } from "./Counter";

const rooms = ["lobby", "garden", "attic"];

export function App() {
  const [room, setRoom] = useState(rooms[0]!);
  const [user, setUser] = useState(() => `guest ${Math.floor(Math.random() * 1000)}`);
  return (
    <main>
      <header>
        <h1>Vivarium</h1>
        <nav aria-label="rooms">
          {rooms.map((r) => (
            <button key={r} aria-pressed={r === room} onClick={() => setRoom(r)}>
              {r}
            </button>
          ))}
        </nav>
        <label>
          you are <input value={user} maxLength={40} onChange={(e) => setUser(e.target.value)} />
        </label>
      </header>
      {/* The keys let each room begin anew. */}
      <Counter key={`counter ${room}`} room={room} />
      <Chat key={`chat ${room}`} room={room} user={user} />
    </main>
  );
}
