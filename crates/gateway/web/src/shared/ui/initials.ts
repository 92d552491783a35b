/** Up to two letters that stand for a name. */
export function initials(name: string): string {
  const words = name
    .replace(/[«»"'“”„()]/g, ' ')
    .split(/\s+/u)
    .filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return picked
    .map((word) => [...(word ?? '')][0] ?? '')
    .join('')
    .toUpperCase();
}
