// Waiting for a fact.

/**
 * @param {() => unknown} fact
 * @param {string} words What it is, for the one whose test fails.
 */
export async function until(fact, words) {
  const limit = Date.now() + 10_000;
  while (!fact()) {
    if (Date.now() > limit) throw new Error(`Never: ${words}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
