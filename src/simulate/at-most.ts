/** Runs tasks side by side, at most so many at a time; results in the tasks' order. The first failure ends the rest. */
export async function atMost<T>(limit: number, tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results = new Map<number, T>();
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (next < tasks.length && !failed) {
      const index = next++;
      try {
        results.set(index, await tasks[index]());
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, tasks.length) }, work));
  return tasks.map((_, i) => results.get(i) as T);
}
