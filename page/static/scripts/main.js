// The page's frame: language, theme, whether the server answers; and then the scene that the address names.

import { watchConnection } from "./connection.js";
import { showAgain, startRouter } from "./router.js";
import { themeSwitch } from "./theme.js";
import { language, preferredLanguage, speak } from "./words.js";

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const switchLanguage = part("language");

function offerOtherLanguage() {
  const [name, tag] = language() === "en" ? ["中文", "zh-Hans"] : ["English", "en"];
  switchLanguage.textContent = name ?? "";
  switchLanguage.lang = tag ?? "";
}

switchLanguage.addEventListener("click", async () => {
  await speak(language() === "en" ? "zh" : "en", { keep: true });
  offerOtherLanguage();
  await showAgain();
});
themeSwitch(part("theme"));
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address after # is the scene's
  part("content").focus();
});

await speak(preferredLanguage());
offerOtherLanguage();
watchConnection(part("connection"));
await startRouter();
performance.mark("ready");
document.documentElement.dataset.ready = "";
