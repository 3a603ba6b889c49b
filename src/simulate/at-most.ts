/**
 * Runs tasks side by side, at most so many at a time; results in the tasks' order. The first failure starts nothing new,
 * ends what runs by the signal that every task is given, and is thrown once all of it has ended.
 */
export async function atMost<T>(limit: number, tasks: readonly ((signal: AbortSignal) => Promise<T>)[]): Promise<T[]> {
  const results = new Map<number, T>();
  const failed = new AbortController();
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < tasks.length && !failed.signal.aborted) {
      const index = next++;
      try {
        results.set(index, await tasks[index](failed.signal));
      } catch (error) {
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, tasks.length) }, work));
  failed.signal.throwIfAborted();
  return tasks.map((_, i) => results.get(i) as T);
}
