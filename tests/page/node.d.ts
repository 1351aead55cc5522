// Of node, what the tests of the page use, for `make check-page`.

declare module "node:test" {
  export interface TestContext {
    after(run: () => unknown): void;
    /** Time that stands still until it is moved by so many milliseconds. */
    mock: {timers: {enable(options: {apis: string[]}): void; tick(milliseconds: number): void; reset(): void}};
  }
  type Run = (context: TestContext) => unknown;
  interface Test {
    (name: string, run: Run): Promise<void>;
    (name: string, options: {timeout?: number}, run: Run): Promise<void>;
  }
  export const test: Test;
  export const it: Test;
  export function describe(name: string, run: () => void): void;
  export function beforeEach(run: () => unknown): void;
  export function afterEach(run: () => unknown): void;
  export default test;
}

declare module "node:assert/strict" {
  interface Assert {
    (value: unknown, message?: string): asserts value;
    ok(value: unknown, message?: string): asserts value;
    equal<T>(actual: unknown, expected: T, message?: string): asserts actual is T;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    notDeepEqual(actual: unknown, expected: unknown, message?: string): void;
    match(value: string, pattern: RegExp, message?: string): void;
    doesNotMatch(value: string, pattern: RegExp, message?: string): void;
    throws(run: () => unknown, error?: object | RegExp, message?: string): void;
    doesNotThrow(run: () => unknown, message?: string): void;
    rejects(promise: Promise<unknown> | (() => Promise<unknown>), error?: object | RegExp): Promise<void>;
    fail(message?: string): never;
  }
  const assert: Assert;
  export default assert;
}

declare module "node:fs" {
  export function readFileSync(path: string | URL, encoding: "utf8"): string;
}

declare function setImmediate(run: (value?: unknown) => unknown): unknown;

declare module "node:process" {
  const process: {argv: string[]; stdout: {write(text: string): void}};
  export default process;
}
