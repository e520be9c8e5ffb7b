"use strict";
// What the board shows, copied as LaTeX, CSV or Markdown.
(() => {
  const { units } = ctpbench;

  const line = (text) => text.replace(/\s+/g, " ").trim();
  // A spreadsheet takes what begins so for a formula; numbers may begin with a minus.
  const csvCell = (text) => {
    const plain = /^[=+\-@\t\r]/.test(text) && !/^-?[0-9.]+(e-?[0-9]+)?$/i.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "–": "--" };
  const tex = (text) => line(text).replace(/[\\~^<>|–&%$#_{}]/g, (found) => TEX[found] ?? `\\${found}`);
  const mark = (text) => line(text).replace(/[\\|*<`\[]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])/g, "\\$&");
  const WRITERS = {
    csv: (head, body) => [head, ...body].map((cells) => cells.map(csvCell).join(",")).join("\r\n") + "\r\n",
    markdown: (head, body, numbers) =>
      [head.map(mark), numbers.map((number) => (number ? "---:" : ":---")), ...body.map((cells) => cells.map(mark))].map((cells) => `| ${cells.join(" | ")} |`).join("\n") + "\n",
    latex: (head, body, numbers) =>
      [
        `\\begin{tabular}{${numbers.map((number) => (number ? "r" : "l")).join("")}}`,
        "\\hline",
        `${head.map(tex).join(" & ")} \\\\`,
        "\\hline",
        ...body.map((cells) => `${cells.map((cell) => (/^\s*\[/.test(cell) ? `{}${tex(cell)}` : tex(cell))).join(" & ")} \\\\`),
        "\\hline",
        "\\end{tabular}",
        "",
      ].join("\n"),
  };

  function tableOf({ columns, rows }, intervals) {
    const head = columns.flatMap((column) => {
      const title = `${column.title}${units(column.units)}`;
      return intervals && column.interval ? [title, `${title} low`, `${title} high`] : [title];
    });
    const body = rows.map((row) =>
      columns.flatMap((column) => {
        const ends = column.interval?.(row);
        if (intervals && column.interval) return [column.text(row), ...(ends ?? ["", ""])];
        return [`${column.text(row)}${ends ? ` [${ends.join(", ")}]` : ""}`];
      }),
    );
    return { head, body, numbers: columns.map((column) => Boolean(column.number)) };
  }

  // `shown()` returns the columns and rows that are shown.
  ctpbench.copyButtons = (shown) => {
    document.querySelectorAll("[data-copy]").forEach((button) =>
      button.addEventListener("click", async () => {
        const { head, body, numbers } = tableOf(shown(), button.dataset.copy === "csv");
        const text = WRITERS[button.dataset.copy](head, body, numbers);
        try {
          await navigator.clipboard.writeText(text);
          document.getElementById("count").textContent = `${body.length} rows copied as ${button.textContent}`;
        } catch {
          const dialog = document.getElementById("copied");
          dialog.querySelector("textarea").value = text;
          dialog.showModal();
          dialog.querySelector("textarea").select();
        }
      }),
    );
  };
})();
