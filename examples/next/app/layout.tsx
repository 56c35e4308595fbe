import type { ReactNode } from "react";

export const metadata = { title: "Vivarium: a counter" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
