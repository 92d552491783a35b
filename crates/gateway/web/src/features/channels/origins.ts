/** The origins that somebody has typed, one in a line or parted by commas, and those that are none. */
export function readOrigins(text: string): { origins: string[]; wrong: string[] } {
  const typed = text
    .split(/[\s,;]+/)
    .map((part) => part.trim())
    .filter(Boolean);
  const origins: string[] = [];
  const wrong: string[] = [];
  for (const part of typed) {
    const origin = originOf(part);
    if (origin === undefined) wrong.push(part);
    else if (!origins.includes(origin)) origins.push(origin);
  }
  return { origins, wrong };
}

/** `https://shop.example` of it and of any address on it; a lone `shop.example` does not say by which scheme. */
function originOf(part: string): string | undefined {
  if (!/^https?:\/\//i.test(part) || !URL.canParse(part)) return undefined;
  const url = new URL(part);
  return url.username || url.password || url.hostname === '' ? undefined : url.origin;
}

/** What a company puts into its pages to carry the widget. */
export function snippetOf(origin: string, siteKey: string): string {
  return `<script src="${origin}/widget.js" data-site="${siteKey}" async></script>`;
}
