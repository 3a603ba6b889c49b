/**
 * Buffers of one size that are used again and again. Fresh ones cost the system page after page, and the collector a
 * run for every few dozen of them, since it goes by the memory that lies outside its heap.
 *
 * Who takes a buffer owns it, with whatever bytes are in it, until it is given back. One that is never given back, as
 * where a broken stream may still read from it, is replaced by another.
 */
export interface BufferPool {
  take(): Uint8Array;
  give(buffer: Uint8Array): void;
}

/** @param most buffers that are kept while nobody uses them */
export function createBufferPool(bytes: number, most: number): BufferPool {
  const free: Uint8Array[] = [];
  return {
    take: () => free.pop() ?? new Uint8Array(bytes),
    give(buffer) {
      if (free.length < most) free.push(buffer);
    },
  };
}
