/** Something that happens once, and the wait for it: what holds a step of a test until another has been taken. */
export function gate(): readonly [opened: Promise<void>, open: () => void] {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}
