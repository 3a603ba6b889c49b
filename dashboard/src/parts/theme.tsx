/** Light, dark, or as the reader's system has it; the choice stays in this browser. */
import { useEffect, useState } from "preact/hooks";

const KEY = "consilium-theme";
const NEXT = { system: "light", light: "dark", dark: "system" } as const;
type Theme = keyof typeof NEXT;
const LABELS = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" } as const;

export function ThemeButton() {
  const [theme, setTheme] = useState<Theme>(kept());
  useEffect(() => {
    if (theme === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // A browser that keeps nothing: the choice holds for this page.
    }
  }, [theme]);
  return (
    <button type="button" class="quiet" onClick={() => setTheme(NEXT[theme])}>
      {LABELS[theme]}
    </button>
  );
}

function kept(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}
