/** Version of this SDK: that of the package, which a test compares. */
export const sdkVersion = '0.1.0';
