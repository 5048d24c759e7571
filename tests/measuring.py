"""Measurements in the browser: what does not fit on a page.

Delete it together with the answer `web_ui`.
"""

from playwright.sync_api import Page

# Width and height of a laptop at a zoom of 400 % (WCAG 2.2, 1.4.10), a phone, a tablet and a laptop, in CSS
# pixels.
SCREENS = ((320, 568), (375, 667), (768, 1024), (1280, 720))
# Text twice as large (WCAG 2.2, 1.4.4) has to fit from this width on.
WIDE = 768
# The most of a screen's height that the header may take.
HEADER = 1 / 6

# Every piece of text is where it can be read: within the screen's width, within every box that cuts
# off what flows out of it, and on nothing else. What only screen readers read (a box of one pixel)
# and what appears with the focus (above the page) is left out. A text that ends in an ellipsis counts
# as whole where a title has the rest. Words of up to 20 emails stand on one line.
SCRIPT = """
(most) => {
  const root = document.documentElement;
  const found = new Set();
  const short = (text) => JSON.stringify(text.trim().replace(/\\s+/g, " ").slice(0, 40));
  if (root.scrollWidth > root.clientWidth) {
    found.add(`the page is ${root.scrollWidth} px wide`);
  }
  const share = document.querySelector("header").getBoundingClientRect().height / innerHeight;
  if (share > most) found.add(`the header takes ${Math.round(100 * share)} % of the height`);

  const ancestors = (node) => {
    const all = [];
    for (let each = node; each && each !== document.body; each = each.parentElement) all.push(each);
    return all;
  };
  const cuts = (element) => getComputedStyle(element).overflowX !== "visible";
  const isWholeInTitle = (element) => {
    const style = getComputedStyle(element);
    const hasEllipsis = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
    return hasEllipsis && element.title === element.textContent;
  };
  const isUnseen = (element) => {
    const box = element.getBoundingClientRect();
    return box.bottom < 0 || ancestors(element).some((each) => {
      const { width, height } = each.getBoundingClientRect();
      return cuts(each) && width <= 1 && height <= 1;
    });
  };

  const pieces = [];
  const look = (text, rects, element) => {
    if (!element.checkVisibility({ visibilityProperty: true }) || isUnseen(element)) return;
    for (const rect of rects) {
      if (rect.width < 1) continue;
      let box = rect;
      for (const each of ancestors(element).filter(cuts)) {
        const edge = each.getBoundingClientRect();
        const isWide = rect.left < edge.left - 1 || rect.right > edge.right + 1;
        const isHigh = rect.top < edge.top - 4 || rect.bottom > edge.bottom + 4;
        if (isWide || isHigh) {
          if (!isWholeInTitle(each)) found.add(`${short(text)} is cut off`);
          const bottom = Math.max(rect.top, Math.min(rect.bottom, edge.bottom));
          box = new DOMRect(edge.left, rect.top, edge.width, bottom - rect.top);
        }
      }
      if (box.left < -1 || box.right > root.clientWidth + 1) {
        found.add(`${short(text)} is outside of the screen`);
      }
      pieces.push({ text, element, box });
    }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.data.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    look(node.data, range.getClientRects(), node.parentElement);
    if (isUnseen(node.parentElement)) continue;
    for (const word of node.data.matchAll(/\\S{2,20}(?!\\S)/g)) {
      if (node.data[word.index - 1]?.trim()) continue; // the end of a longer one
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top)));
      if (tops.size > 1 && !word[0].includes("-")) found.add(`${short(word[0])} is broken`);
    }
  }
  for (const input of document.querySelectorAll("input:not([type=hidden])")) {
    look(`the field ${input.name}`, [input.getBoundingClientRect()], input);
  }
  // Lines of one paragraph are set so that their boxes touch: only what belongs to two elements counts.
  pieces.forEach((one, index) => {
    for (const other of pieces.slice(index + 1)) {
      if (one.element === other.element) continue;
      const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const high = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (wide > 3 && high > 6) found.add(`${short(one.text)} lies on ${short(other.text)}`);
    }
  });
  return [...found];
}
"""


def misfits(page: Page) -> list[str]:
    """Return what cannot be read on one of the screens, each with its width; restore the size."""
    before = page.viewport_size
    found: list[str] = []
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} px: {each}" for each in page.evaluate(SCRIPT, HEADER)]
        if width >= WIDE:
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            found += [f"{width} px, large text: {each}" for each in page.evaluate(SCRIPT, 1)]
            page.evaluate("document.documentElement.style.fontSize = ''")
    if before:
        page.set_viewport_size(before)
    return found
