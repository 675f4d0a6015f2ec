// Elements and texts.

/** Makes an element: attributes, "on…" handlers, and children that are elements or texts. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }

  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

/** Sets a text, and touches the page only if it is another one. */
export function put(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** The value of a color of page.css. */
export const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
