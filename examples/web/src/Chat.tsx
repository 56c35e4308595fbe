import { type FormEvent, useEffect, useRef, useState } from "react";
import type { Message } from "./actors/chatroom.d.ts";
import { useActor } from "./rivet";
import { Status } from "./Status";

interface Props {
  room: string;
  user: string;
}

/** Chat shows a room's messages, the newest hundred and what comes while it looks, and sends new ones. */
export function Chat({ room, user }: Props) {
  const chat = useActor({ name: "chatroom", key: [room] });
  const [messages, setMessages] = useState<Message[]>([]);
  const { connection, connStatus } = chat;

  chat.useEvent("message", (m: Message) => setMessages((have) => merge(have, [m])));
  // Whenever it is connected, also again, ask for what was missed.
  useEffect(() => {
    if (connStatus !== "connected" || !connection) return;
    connection.history(100).then((past) => setMessages((have) => merge(have, past ?? [])), console.error);
  }, [connection, connStatus]);

  return (
    <section className="chat">
      <Messages messages={messages} user={user} />
      <Compose disabled={connStatus !== "connected"} send={(text) => connection!.post(user, text)} />
      <Status connection={connection} connStatus={connStatus} />
    </section>
  );
}

/** merge joins messages by their numbers: events and history may come in any order and overlap. */
function merge(a: Message[], b: Message[]): Message[] {
  const all = new Map([...a, ...b].map((m) => [m.number, m]));
  return [...all.values()].sort((x, y) => x.number - y.number);
}

function Messages({ messages, user }: { messages: Message[]; user: string }) {
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [messages]);
  return (
    <ol aria-label="messages">
      {messages.map((m) => (
        <li key={m.number} className={m.user === user ? "mine" : ""}>
          <b>{m.user}</b> <time>{new Date(m.sentAt).toLocaleTimeString()}</time>
          <p>{m.text}</p>
        </li>
      ))}
      <li ref={end} aria-hidden />
    </ol>
  );
}

function Compose({ disabled, send }: { disabled: boolean; send: (text: string) => Promise<unknown> }) {
  const [text, setText] = useState("");
  const [error, setError] = useState("");

  async function submit(e: FormEvent) {
    e.preventDefault();
    try {
      await send(text);
      setText("");
      setError("");
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e));
    }
  }

  return (
    <form onSubmit={submit}>
      <input aria-label="message" placeholder="say something" value={text} onChange={(e) => setText(e.target.value)} />
      <button disabled={disabled || !text}>send</button>
      {error && <span role="alert">{error}</span>}
    </form>
  );
}
