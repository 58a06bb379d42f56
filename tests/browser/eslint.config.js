// What the page's scripts are held to beside their types.
import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, globals: globals.browser },
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      "eqeqeq": "error",
      "no-shadow": "error",
      "no-console": ["error", { allow: ["error"] }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Make elements with dom.js." },
        { property: "outerHTML", message: "Make elements with dom.js." },
      ],
      "max-lines": ["error", 250],
      "max-len": ["error", { code: 132 }],
    },
  },
  { files: ["**/early.js"], languageOptions: { sourceType: "script" } },
];
