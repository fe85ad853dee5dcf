/**
 * Text out of an image, fit for a terminal and a record: without control characters and those that turn text around,
 * at most so many characters; undefined when nothing is left.
 */
export function plainText(text: string, maxLength: number): string | undefined {
  // \p{C}: controls, formats (direction marks among them), unassigned ones, and halves that the cut has left over.
  const plain = text.trimStart().slice(0, maxLength).replaceAll(/\p{C}/gu, '').trim();
  return plain === '' ? undefined : plain;
}
