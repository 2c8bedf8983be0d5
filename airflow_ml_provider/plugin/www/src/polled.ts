import { useEffect, useState } from "react";

import { ask, AskError } from "./ask";

const FIRST_SECONDS = 5;
const MOST_SECONDS = 60;

export interface Polled<Answer> {
  answer: Answer | undefined;
  /** When the answer came, in milliseconds since the epoch. */
  at: number;
  error: AskError | undefined;
}

/**
 * Return what a route answers, again and again; what another path answered stays until this one does.
 *
 * It is asked every five seconds while answers change, and ever more rarely, down to once a minute, while they stay the
 * same or fail; never while nobody sees the page. Another version is asked for at once.
 */
export function usePolled<Answer>(path: string, version = ""): Polled<Answer> {
  const [found, setFound] = useState<Polled<Answer>>({ answer: undefined, at: 0, error: undefined });

  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let seconds = FIRST_SECONDS;
    let last = "";
    let looks = false;

    async function look() {
      clearTimeout(timer);
      if (looks || document.hidden) return;
      looks = true;
      try {
        const answer = await ask<Answer>(path, ending.signal);
        if (ending.signal.aborted) return;
        const text = JSON.stringify(answer);
        seconds = text === last ? Math.min(seconds * 1.5, MOST_SECONDS) : FIRST_SECONDS;
        last = text;
        setFound({ answer, at: Date.now(), error: undefined });
      } catch (error) {
        if (ending.signal.aborted) return;
        seconds = Math.min(seconds * 2, MOST_SECONDS);
        setFound((before) => ({ ...before, error: error as AskError }));
      } finally {
        looks = false;
      }
      timer = setTimeout(seen, seconds * 1000);
    }

    function seen() {
      void look();
    }

    document.addEventListener("visibilitychange", seen);
    seen();
    return () => {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [path, version]);

  return found;
}
