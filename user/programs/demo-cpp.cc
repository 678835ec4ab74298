// Demonstration in C++: words counted in a map, and shapes behind virtual functions.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

class Shape {
  public:
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

class Square : public Shape {
  public:
    explicit Square(double side) : side_(side) {
    }
    double area() const override {
        return side_ * side_;
    }

  private:
    double side_;
};

class Circle : public Shape {
  public:
    explicit Circle(double radius) : radius_(radius) {
    }
    double area() const override {
        return 3.141592653589793 * radius_ * radius_;
    }

  private:
    double radius_;
};

double total_area(int count) {
    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 0; i < count; i++) {
        if (i % 3 == 0)
            shapes.push_back(std::make_unique<Circle>(i % 10));
        else
            shapes.push_back(std::make_unique<Square>(i % 7));
    }
    double total = 0;
    for (const auto &shape : shapes)
        total += shape->area();
    return total;
}

std::map<std::string, int> count_words(int count) {
    static const char *const syllables[] = {"ka", "wa", "st", "o", "mi", "re"};
    std::map<std::string, int> words;
    unsigned state = 7;
    for (int i = 0; i < count; i++) {
        std::string word;
        state = state * 1103515245u + 12345u;
        for (unsigned bits = state >> 8, n = 2 + (bits & 3); n > 0; n--, bits /= 6)
            word += syllables[bits % 6];
        words[word]++;
    }
    return words;
}

} // namespace

int main() {
    auto start = std::chrono::steady_clock::now();
    std::cout << "Hello from C++.\n";

    auto words = count_words(300000);
    auto common = std::max_element(words.begin(), words.end(), [](const auto &a, const auto &b) {
        return a.second < b.second;
    });
    std::cout << "  [C++]  " << words.size() << " different words; the most common is '" << common->first
              << "', " << common->second << " times\n";
    std::printf("  [C++]  200000 shapes cover %.3f\n", total_area(200000));

    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - start);
    std::cout << "  [C++]  took " << took.count() << " ms\n";
}
