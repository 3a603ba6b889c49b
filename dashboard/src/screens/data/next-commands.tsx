/** What to do next, in words and as whole command lines. */
import type { NextCommands } from "../../../../src/console/index.ts";

export function Next({ next: { words, commands } }: { readonly next: NextCommands }) {
  return (
    <div class="next">
      <p>
        <strong>Next:</strong> {words}
      </p>
      {commands.length > 0 && <pre>{commands.join("\n")}</pre>}
    </div>
  );
}
