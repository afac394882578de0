// What every part of the page needs: its elements, its language, its phrases, money.

export const $ = (id) => document.getElementById(id);

export let language = "en";

const phrases = Object.fromEntries(
  [...$("phrases").content.children].map((item) => [
    item.id,
    { en: item.textContent, fr: item.dataset.fr ?? item.textContent },
  ]),
);

/** Return a phrase of the page in its language, with figures put in. */
export function say(name, figures = {}) {
  return phrases[name][language].replace(/\{(\w+)\}/g, (_, figure) => figures[figure]);
}

/** Show the page in another language: English is what stood there first, French its data-fr. */
export function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  for (const item of document.querySelectorAll("[data-fr]")) {
    item.dataset.en ??= item.textContent;
    item.textContent = item.dataset[chosen];
  }
  for (const item of document.querySelectorAll("[data-fr-label]")) {
    item.dataset.enLabel ??= item.ariaLabel;
    item.ariaLabel = item.dataset[`${chosen}Label`];
  }
}

/** Return a new element. Text stays text: nothing that is read ever becomes markup. */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Return cents in the page's language, as `amcash.dialogue.amounts.money` writes them. */
export function money(cents) {
  const decimal = (cents / 100).toFixed(2);
  return language === "fr" ? `${decimal.replace(".", ",")}\u00a0$` : `$${decimal}`;
}

export const toCents = (dollars) => Math.round(Number(dollars.replace(",", ".")) * 100);
export const toDollars = (cents) => (cents / 100).toFixed(2);

/** Say what went wrong, or nothing any more. */
export function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}
