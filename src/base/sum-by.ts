/** The figures of all items together, added in their order; 0 of none. */
export function sumBy<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}
