/** Runs the statements, each on its own, and returns when they are committed. */
export function strike(url: string, statements: readonly string[]): void;
