/**
 * A table of a page that scrolls in its place where the screen is narrower, by keyboard too.
 * @param table HTML; the page's style gives `.scroll` its overflow
 */
export function scrollingTable(table: string): string {
  return `<div class="scroll" role="group" aria-label="table" tabindex="0">${table}</div>`;
}
