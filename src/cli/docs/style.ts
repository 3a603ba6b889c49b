/** The documentation's one style sheet: light and dark, for wide and narrow screens and for paper. */
export const STYLE = `:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2321, #e6ece9);
  --soft: light-dark(#55635e, #a3b1ab);
  --line: light-dark(#d5deda, #33403b);
  --page: light-dark(#ffffff, #111614);
  --fill: light-dark(#f1f5f3, #1a211e);
  --accent: light-dark(#0b6e4f, #57c7a0);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto;
  max-width: 80rem;
  display: grid;
  grid-template-columns: 16rem minmax(0, 1fr);
  background: var(--page);
  color: var(--ink);
  font: 16px / 1.55 system-ui, sans-serif;
}
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip:not(:focus) { position: absolute; clip-path: inset(50%); }
.skip:focus { position: absolute; padding: 0.5rem 1rem; background: var(--fill); }
nav {
  position: sticky;
  top: 0;
  align-self: start;
  max-height: 100vh;
  overflow-y: auto;
  padding: 1.2rem 1rem 2rem;
  font-size: 0.92rem;
}
nav h2 { margin: 1.1rem 0 0.2rem; font-size: 0.82rem; color: var(--soft); }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: 0.15rem 0; text-decoration: none; }
nav li a { color: var(--ink); }
nav a:hover { text-decoration: underline; }
nav a[aria-current] { color: var(--accent); font-weight: 650; }
.brand { margin: 0; font-weight: 700; font-size: 1.15rem; }
main { padding: 1.2rem 1.5rem 4rem; min-width: 0; overflow-wrap: break-word; }
main > p, main > ul, main > ol, main > h1, main > h2, main > h3 { max-width: 48rem; }
h1 { line-height: 1.2; margin: 0 0 1rem; }
h2 { margin: 2.2rem 0 0.6rem; line-height: 1.25; }
h3 { margin: 1.6rem 0 0.4rem; }
img { max-width: 100%; height: auto; border-radius: 0.5rem; }
.soft { color: var(--soft); }
code { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { padding: 0.8rem 1rem; overflow-x: auto; background: var(--fill); border: 1px solid var(--line); border-radius: 0.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.92rem; }
th, td { padding: 0.4rem 0.9rem 0.4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); }
@media (max-width: 60rem) {
  body { display: block; }
  nav { position: static; max-height: none; border-bottom: 1px solid var(--line); }
  nav ul { display: flex; flex-wrap: wrap; gap: 0 1rem; }
}
@media print {
  nav { display: none; }
  body { display: block; }
}
`;
