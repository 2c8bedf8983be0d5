import { esmExternalRequirePlugin } from "vite";
import { defineConfig } from "vitest/config";

// What Airflow's page shares with its plugins, by the names under which it keeps them.
const SHARED = {
  react: "React",
  "react-dom": "ReactDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};

export default defineConfig(({ command }) => ({
  // CommonJS packages require React; a browser has no require.
  plugins: [esmExternalRequirePlugin({ external: Object.keys(SHARED) })],
  build: {
    lib: { entry: "src/main.tsx", name: "AirflowPlugin", formats: ["umd"], fileName: () => "ml.umd.js" },
    // The host takes a function out of this global: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
    rollupOptions: { output: { globals: SHARED, exports: "default" } },
    license: { fileName: "licenses.md" },
    target: "es2022",
  },
  // A library build leaves this to who includes it.
  define: command === "build" ? { "process.env.NODE_ENV": JSON.stringify("production") } : {},
  test: { environment: "jsdom", include: ["tests/**/*.test.{ts,tsx}"] },
}));
