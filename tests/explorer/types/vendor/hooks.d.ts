// What the page uses of Preact's hooks.
export function useState<T>(first: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
export function useEffect(work: () => void | (() => void), inputs?: unknown[]): void;
export function useLayoutEffect(work: () => void | (() => void), inputs?: unknown[]): void;
export function useMemo<T>(made: () => T, inputs: unknown[]): T;
export function useCallback<T extends Function>(work: T, inputs: unknown[]): T;
export function useRef<T>(first: T): { current: T };
