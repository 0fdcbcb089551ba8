import { KeyturnError } from '../error.ts';
import { ProgressLines } from './progress-lines.ts';
import type { ProgressView } from './progress-view.ts';
import type { Terminal } from './terminal.ts';
import { wrapCommand, wrapText } from './wrap.ts';

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** The streams that the process was started with. */
export class Console implements Terminal {
  readonly interactive: boolean;
  readonly drawing: boolean;
  readonly #streams: Streams;
  readonly #unicode: boolean;
  /** Screen lines of the last drawing. */
  #drawn = 0;

  /** @param unicode whether the terminal can show more than ASCII. */
  constructor(streams: Streams, unicode: boolean) {
    this.#streams = streams;
    this.#unicode = unicode;
    this.drawing = Boolean(streams.stdout.isTTY);
    this.interactive = Boolean(streams.stdin.isTTY && streams.stderr.isTTY);
  }

  out(data: string): void {
    this.#streams.stdout.write(data);
  }

  print(text: string): void {
    const { stdout } = this.#streams;
    stdout.write(stdout.isTTY ? wrapText(text, widthOf(stdout)) : text);
  }

  redraw(text: string): void {
    const { stdout } = this.#streams;
    if (this.drawing && this.#drawn > 0) stdout.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.print(text);
    const columns = widthOf(stdout);
    const lines = wrapText(text, columns).replace(/\n$/, '').split('\n');
    // A word that is longer than a line takes several.
    this.#drawn = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
  }

  say(line: string, command?: string): void {
    const { stderr } = this.#streams;
    const whole = command === undefined ? line : `${line} ${command}`;
    const columns = widthOf(stderr);
    if (!stderr.isTTY || whole.length <= columns) stderr.write(`${whole}\n`);
    else if (command === undefined) stderr.write(`${wrapText(line, columns)}\n`);
    else stderr.write(`${wrapText(line, columns)}\n${wrapCommand(command, columns)}\n`);
  }

  async confirm(question: string): Promise<boolean> {
    const { stdin: input, stderr: output } = this.#streams;
    const { confirm, isCancel } = await import('@clack/prompts');
    const answer = await confirm({ message: question, initialValue: false, input, output });
    if (isCancel(answer)) throw cancelled();
    return answer;
  }

  async askSecret(question: string): Promise<string> {
    const { stdin: input, stderr: output } = this.#streams;
    const { password, isCancel } = await import('@clack/prompts');
    const answer = await password({ message: question, input, output });
    if (isCancel(answer)) throw cancelled();
    return answer ?? '';
  }

  async readInput(): Promise<string> {
    const parts: Buffer[] = [];
    for await (const part of this.#streams.stdin) parts.push(Buffer.from(part));
    return Buffer.concat(parts).toString('utf8');
  }

  async progress(): Promise<ProgressView> {
    const { stderr } = this.#streams;
    if (!stderr.isTTY) return new ProgressLines((line) => this.say(line));
    const { ProgressBars } = await import('./progress-bars.ts');
    return new ProgressBars(stderr, this.#unicode);
  }
}

function widthOf(stream: NodeJS.WriteStream): number {
  return stream.columns || 80;
}

function cancelled(): KeyturnError {
  return new KeyturnError('stopped', 'stopped before anything was changed');
}
