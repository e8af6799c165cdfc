// The transforms of Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308): a tile of
// M x M outputs of a 3x3 convolution from N x N inputs, N = M + 2, with N^2 instead of 9 M^2
// products.
#pragma once

#include "vectors.h"

// The points at which the polynomials of the method are evaluated: 0, infinity, +-1 for tiles of 2
// and +-P, +-Q for tiles of 4. These P and Q round least of those that binary numbers represent.
constexpr float P = 0.75f, Q = 1.5f, PP = P * P, QQ = Q * Q;
// Each point of a filter is over the product of its differences to the others.
constexpr float AT_0 = 1 / (PP * QQ), AT_P = 1 / (2 * PP * (PP - QQ)), AT_Q = 1 / (2 * QQ * (QQ - PP));

// B^T of the paper. Most rows come in pairs, the sum and the difference of an even and an odd part.
static inline Vector end_row(Vector x0, Vector x2, Vector x4) {
  return x4 - (PP + QQ) * x2 + PP * QQ * x0;
}

static inline void row_pair(float p, float qq, Vector x1, Vector x2, Vector x3, Vector x4,
                            Vector& sum, Vector& difference) {
  Vector even = x4 - qq * x2, odd = p * (x3 - qq * x1);
  sum = even + odd;
  difference = even - odd;
}

static inline void transform_input(const Vector (&x)[4], Vector (&y)[4]) {
  y[0] = x[2] - x[0];
  y[1] = x[2] + x[1];
  y[2] = x[2] - x[1];
  y[3] = x[3] - x[1];
}

static inline void transform_input(const Vector (&x)[6], Vector (&y)[6]) {
  y[0] = end_row(x[0], x[2], x[4]);
  row_pair(P, QQ, x[1], x[2], x[3], x[4], y[1], y[2]);
  row_pair(Q, PP, x[1], x[2], x[3], x[4], y[3], y[4]);
  y[5] = end_row(x[1], x[3], x[5]);
}

// A^T of the paper.
static inline void transform_output(const Vector (&x)[4], Vector (&y)[2]) {
  y[0] = x[0] + x[1] + x[2];
  y[1] = x[1] - x[2] + x[3];
}

static inline void transform_output(const Vector (&x)[6], Vector (&y)[4]) {
  Vector even_p = x[1] + x[2], odd_p = P * (x[1] - x[2]);
  Vector even_q = x[3] + x[4], odd_q = Q * (x[3] - x[4]);
  y[0] = x[0] + even_p + even_q;
  y[1] = odd_p + odd_q;
  y[2] = PP * even_p + QQ * even_q;
  y[3] = PP * odd_p + QQ * odd_q + x[5];
}

// A: the gradient of an output tile, back through A^T.
static inline void transform_gradient(const Vector (&y)[2], Vector (&x)[4]) {
  x[0] = y[0];
  x[1] = y[0] + y[1];
  x[2] = y[0] - y[1];
  x[3] = y[1];
}

static inline void transform_gradient(const Vector (&y)[4], Vector (&x)[6]) {
  Vector even_p = y[0] + PP * y[2], odd_p = P * (y[1] + PP * y[3]);
  Vector even_q = y[0] + QQ * y[2], odd_q = Q * (y[1] + QQ * y[3]);
  x[0] = y[0];
  x[1] = even_p + odd_p;
  x[2] = even_p - odd_p;
  x[3] = even_q + odd_q;
  x[4] = even_q - odd_q;
  x[5] = y[3];
}

// G of the paper.
static inline void transform_filter(const Vector (&x)[1], Vector (&y)[1]) { y[0] = x[0]; }

static inline void transform_filter(const Vector (&x)[3], Vector (&y)[4]) {
  Vector even = 0.5f * (x[0] + x[2]), odd = 0.5f * x[1];
  y[0] = -x[0];
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = x[2];
}

static inline void transform_filter(const Vector (&x)[3], Vector (&y)[6]) {
  Vector even_p = AT_P * (x[0] + PP * x[2]), odd_p = AT_P * P * x[1];
  Vector even_q = AT_Q * (x[0] + QQ * x[2]), odd_q = AT_Q * Q * x[1];
  y[0] = AT_0 * x[0];
  y[1] = even_p + odd_p;
  y[2] = even_p - odd_p;
  y[3] = even_q + odd_q;
  y[4] = even_q - odd_q;
  y[5] = x[2];
}

static inline void transform_filter_gradient(const Vector (&y)[1], Vector (&x)[1]) { x[0] = y[0]; }

// G^T: the gradient of a transformed filter, back through G.
static inline void transform_filter_gradient(const Vector (&y)[4], Vector (&x)[3]) {
  Vector even = 0.5f * (y[1] + y[2]);
  x[0] = even - y[0];
  x[1] = 0.5f * (y[1] - y[2]);
  x[2] = even + y[3];
}

static inline void transform_filter_gradient(const Vector (&y)[6], Vector (&x)[3]) {
  Vector even_p = AT_P * (y[1] + y[2]), even_q = AT_Q * (y[3] + y[4]);
  x[0] = AT_0 * y[0] + even_p + even_q;
  x[1] = AT_P * P * (y[1] - y[2]) + AT_Q * Q * (y[3] - y[4]);
  x[2] = PP * even_p + QQ * even_q + y[5];
}
