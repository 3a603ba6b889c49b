/** What went wrong, in the product's words: as the console's errors say it, and refusals of the pages' own. */
export interface Trouble {
  readonly code: string;
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
  readonly hint: string;
}
