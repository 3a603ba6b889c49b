/** The screen of passkeys, for whom there is one; loaded when it is opened. */
import { lazy, Suspense } from "preact/compat";
import type { Facts } from "../api.ts";
import { Loading } from "../parts/parts.tsx";
import type { Screen } from "../shell.tsx";

const Passkeys = lazy(() => import("./passkeys.tsx"));

export function passkeyScreens({ passkeys, session }: Facts): readonly Screen[] {
  if (passkeys === null || session?.role !== "operator") return [];
  const view = () => (
    <Suspense fallback={<Loading what="the passkeys" />}>
      <Passkeys at={passkeys.at} />
    </Suspense>
  );
  return [{ path: "passkeys", label: "Passkeys", view }];
}
