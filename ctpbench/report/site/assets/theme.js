"use strict";
// Before the page is painted: the reader's own choice of light or dark, else the system's. Paper is light.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  let printing = false;
  try {
    chosen = localStorage.getItem("ctpbench-theme");
  } catch {
    // a browser may keep nothing for pages from disk
  }
  const isDark = () => !printing && (chosen === null ? system.matches : chosen === "dark");
  const show = () => {
    root.classList.toggle("dark", isDark());
    const button = document.getElementById("theme");
    if (button) button.textContent = isDark() ? "Light" : "Dark";
    document.dispatchEvent(new CustomEvent("theme", { detail: { printing } }));
  };
  show();
  system.addEventListener("change", show);
  for (const [name, begins] of [["beforeprint", true], ["afterprint", false]])
    addEventListener(name, () => {
      printing = begins;
      show();
    });
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("ctpbench-theme", chosen);
      } catch {
        // then it lasts as long as the page
      }
      show();
    });
  });
})();
