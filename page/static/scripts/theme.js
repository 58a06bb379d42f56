// The switch between light and dark. What the system says holds until someone here says otherwise.

/** @returns {boolean} whether the page is dark now */
export const isDark = () => document.documentElement.dataset.theme === "dark";

/**
 * Make a button switch the theme.
 * @param {HTMLElement} button
 */
export function themeSwitch(button) {
  const say = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
  });
  new MutationObserver(say).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  say();
}

/**
 * Keep a choice for the next visit, where the browser lets us.
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is forbidden: the choice holds for this visit.
  }
}

/**
 * @param {string} name
 * @returns {string | null} what was chosen on an earlier visit
 */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
