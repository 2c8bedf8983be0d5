import { useCallback, useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router-dom";

type Change = (alter: (params: URLSearchParams) => void, replace?: boolean) => void;

/**
 * Return what the address asks for, and what changes it.
 *
 * The router's own setter begins with what was rendered last, so of two quick changes the first would be lost.
 */
export function useAddress(): [URLSearchParams, Change] {
  const [address, setParams] = useSearchParams();
  const [before, setBefore] = useState(address);
  const [params, setShown] = useState(address);
  const latest = useRef(address);
  if (address !== before) {
    setBefore(address);
    setShown(address);
  }
  useEffect(() => {
    latest.current = address;
  }, [address]);
  const change = useCallback<Change>(
    (alter, replace = true) => {
      const after = new URLSearchParams(latest.current);
      alter(after);
      latest.current = after;
      // The router renders when it is less busy; until then a box that was ticked would look unticked.
      setShown(after);
      setParams(after, { replace });
    },
    [setParams],
  );
  useEffect(() => {
    // With the first change of the address Airflow makes the page anew, once: not while somebody types or chooses.
    setParams((before) => before, { replace: true });
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  return [params, change];
}
