import type { ProgressView } from './progress-view.ts';

/**
 * How a command talks to its user. Results go to stdout, everything else to stderr. What people read is wrapped at words
 * on a terminal.
 */
export interface Terminal {
  /** Whether a user can be asked. */
  readonly interactive: boolean;
  /** Writes result data, such as JSON, to stdout exactly as it is. */
  out(data: string): void;
  /** Writes result text for people to stdout. */
  print(text: string): void;
  /** Whether stdout is a terminal, so that text can be redrawn. */
  readonly drawing: boolean;
  /** Replaces the text of the last call on a terminal; otherwise writes below it. */
  redraw(text: string): void;
  /** Writes a line for people to stderr. A command after it is wrapped so that it can be copied and run. */
  say(line: string, command?: string): void;
  /** Throws KeyturnError `stopped` when the user leaves the question with Ctrl-C. */
  confirm(question: string): Promise<boolean>;
  /** Asks without echo. Throws KeyturnError `stopped` when the user leaves the question with Ctrl-C. */
  askSecret(question: string): Promise<string>;
  /** Reads all of stdin. */
  readInput(): Promise<string>;
  progress(): Promise<ProgressView>;
}
