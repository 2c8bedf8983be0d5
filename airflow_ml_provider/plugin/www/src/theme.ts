import { useSyncExternalStore } from "react";

/** Return Airflow's theme, which it keeps as a class of the document. */
export function useTheme(): "dark" | "light" {
  return useSyncExternalStore(watch, theme);
}

function watch(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ["class"] });
  return () => {
    observer.disconnect();
  };
}

function theme(): "dark" | "light" {
  return document.documentElement.classList.contains("dark") ? "dark" : "light";
}
