/** What of a letter cannot be shown inside the client: pictures from elsewhere would tell their sender who reads it. */
export type LetterDocument = { html: string; leftOut: number };

const ALLOWED_PICTURE = /^(data:image\/|cid:$)/i;

/**
 * The HTML of a letter as a page of its own for a sandboxed frame. The frame inherits the client's content security policy:
 * scripts and pictures from elsewhere are refused there anyway; here they are taken out beforehand, so that nothing has to
 * be refused, and styles are moved into sheets that carry the nonce.
 */
export function letterDocument(html: string, nonce: string): LetterDocument {
  const page = new DOMParser().parseFromString(html, 'text/html');
  let leftOut = 0;

  for (const element of page.querySelectorAll(
    'script, iframe, object, embed, link, meta, base, form, frame, frameset',
  )) {
    element.remove();
  }
  for (const image of page.querySelectorAll('img, image, source, video, audio')) {
    const source = image.getAttribute('src') ?? '';
    if (image.tagName === 'IMG' && ALLOWED_PICTURE.test(source)) {
      image.removeAttribute('srcset');
      continue;
    }
    leftOut += 1;
    const place = page.createElement('span');
    place.className = 'left-out';
    place.textContent = image.getAttribute('alt') || '…';
    image.replaceWith(place);
  }

  const sheet: string[] = [];
  let number = 0;
  for (const element of page.querySelectorAll('*')) {
    const style = element.getAttribute('style');
    for (const { name } of [...element.attributes]) {
      if (name.startsWith('on') || name === 'style' || name === 'background' || name === 'ping')
        element.removeAttribute(name);
    }
    if (style) {
      number += 1;
      element.setAttribute('data-styled', String(number));
      sheet.push(`[data-styled="${number}"]{${ownStyle(style)}}`);
    }
    if (element.tagName === 'A') {
      const target = element.getAttribute('href') ?? '';
      if (/^(https?|mailto|tel):/i.test(target)) {
        element.setAttribute('target', '_blank');
        element.setAttribute('rel', 'noopener noreferrer nofollow');
      } else element.removeAttribute('href');
    }
  }
  const own = [...page.querySelectorAll('style')].map((element) => {
    const text = element.textContent ?? '';
    element.remove();
    return ownStyle(text, true);
  });
  const style = `${BASE}\n${own.join('\n')}\n${sheet.join('\n')}`.replaceAll('</', '<\\/');
  return {
    html: `<!doctype html><html><head><meta charset="utf-8"><style nonce="${nonce}">${style}</style></head><body>${page.body.innerHTML}</body></html>`,
    leftOut,
  };
}

/** Without what would fetch something, or end the rule it stands in. */
function ownStyle(text: string, rules = false): string {
  const harmless = text.replace(/@import[^;]*;?/gi, '').replace(/url\([^)]*\)/gi, 'none');
  return rules ? harmless : harmless.replace(/[{}]/g, '');
}

const BASE = `html{color-scheme:light;background:#fff}
body{margin:12px;color:#1b2031;font:14px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
img{max-width:100%;height:auto}
.left-out{display:inline-block;padding:2px 8px;border:1px dashed #8f99b0;color:#586175;font-size:12px}`;
